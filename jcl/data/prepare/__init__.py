"""Writers of datasets: `python -m jcl.data.prepare`."""
