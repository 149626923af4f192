"""The search for better hyper-parameters of a recipe, with Optuna."""
