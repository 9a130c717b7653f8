"""What adapter authors test with: the conformance kit, simulators, hostile servers. Shipped to them."""
