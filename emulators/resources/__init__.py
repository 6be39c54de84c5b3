"""Azure Resource Manager: what the template would have deployed, and who has which role on it."""
