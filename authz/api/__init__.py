"""What did they write? AuthPolicy as people and Kubernetes see it. Pure: text in, declared policies and problems out."""
