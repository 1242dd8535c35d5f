"""What can change a result: declaration, defaults, translation of older forms, documents made from it."""
