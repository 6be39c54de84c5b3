"""A Model Context Protocol server whose tools act as the signed-in user. Nothing of it is imported unless used."""

from .server import McpServer

__all__ = ["McpServer"]
