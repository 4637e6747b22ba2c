"""Tools of the maintainers; none of this is shipped."""
