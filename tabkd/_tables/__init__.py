"""What a column and a table are: kinds, categories, missing values; frames to codes and back."""
