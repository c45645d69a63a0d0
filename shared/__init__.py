"""The product, in four rings: domain, services, and around them adapters and web. Arrows point inward only."""
