"""One module or folder per outside system. The only files that import an Azure SDK."""
