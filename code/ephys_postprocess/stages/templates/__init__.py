"""Templates and what is measured on them."""
