"""Azure services that an API calls as the user: blob storage, search, a key vault. Each checks token and role."""
