"""What tests share: a tenant, the running apps, a clock, and a watch for leaked tokens."""
