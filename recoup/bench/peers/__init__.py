"""What our services are compared with: the same model, served as one would without them."""
