"""The learning half: corpora, recipes, training, evaluation and export (`sottovoce[learn]`)."""
