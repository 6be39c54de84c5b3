"""Stand-ins for Entra ID, managed identity, Key Vault and Graph, for a laptop and for tests. Never deployed."""
