"""What the commands `export.bench`, `bench_tiers`, `bench_head` and `bench_gpu` share."""
