"""The learning half: corpora, recipes, training, evaluation and export (`undertone[learn]`)."""
