"""infra/ensure-certificate.sh, run against the emulated vault: with the Azure CLI, and with a stand-in for it."""
