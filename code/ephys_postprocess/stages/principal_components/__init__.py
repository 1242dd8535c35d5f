"""Models of principal components and projections on them."""
