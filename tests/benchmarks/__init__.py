"""The comparison with peers: that its document is what its script measures."""
