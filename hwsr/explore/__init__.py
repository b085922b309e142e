"""Search over networks and precisions for the best picture quality that hardware gives at its price."""
