"""The effect of each failure of each service, provoked over real sockets. Read matrix.py first."""
