"""A host without internet, installed from the bundle alone: `make test-airgap`."""
