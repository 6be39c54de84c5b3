"""This API as an application: it calls others without a user, from a timer, a queue or `@requires_app`.

Nothing here is imported at start. Most apps never call an API as the application.
"""
