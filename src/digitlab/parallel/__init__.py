"""How the gradient of a batch comes about; training knows it through `strategy` alone."""
