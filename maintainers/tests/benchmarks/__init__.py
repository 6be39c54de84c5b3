"""The measurements: that they see what is wrong, and that the documents show what they measured."""
