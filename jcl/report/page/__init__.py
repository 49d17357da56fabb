"""The report as one HTML page: it sorts, filters and shows what is under the pointer."""
