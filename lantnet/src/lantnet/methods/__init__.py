"""What is ours: the recipes, their stages, and the quick methods to compare with."""
