"""What Parapet costs beside its peers: run as `python -m bench`."""
