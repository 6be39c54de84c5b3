"""What only the template's maintainers need. Nothing outside imports it, so you may delete the folder."""
