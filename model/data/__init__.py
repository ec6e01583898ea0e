"""Sets of labelled images, folds, episodes, augmentation and the feature cache."""
