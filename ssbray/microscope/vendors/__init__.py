"""One file for each family of formats: each opens a path and says what is inside."""
