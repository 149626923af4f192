"""What a training reads: clips decoded once, their features, batches, augmentation."""
