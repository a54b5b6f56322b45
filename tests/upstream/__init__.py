"""The provider's own acceptance tests as judges of the local cloud: none is changed, each is run and reported."""
