# The package has no C declarations of its own.
