"""What is deployed, and that it is enough."""
