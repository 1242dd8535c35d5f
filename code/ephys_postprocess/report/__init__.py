"""A result as one HTML page: plain data (`contents`), thinned and packed (`payload`), rendered (`render`)."""
