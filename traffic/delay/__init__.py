"""The delay of a whole network under given plans: lane groups, flow profiles, queues."""
