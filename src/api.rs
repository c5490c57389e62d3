//! The custom resources of `tagseal.dev/v1alpha1`. No logic.
