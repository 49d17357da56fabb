"""Programs that write datasets: `python -m jcl.data.prepare`."""
