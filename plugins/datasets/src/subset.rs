//! Balanced subsets, chosen without randomness: the same file always gives the same examples.

/// The first `per_class` examples of each class, in the order of the file.
///
/// ```
/// use eigenscape_datasets::subset::first_of_each_class;
/// assert_eq!(first_of_each_class(&[1, 0, 1, 1, 0, 0], 2, 2), Ok(vec![0, 1, 2, 4]));
/// ```
///
/// # Errors
/// The first class with fewer examples, and how many it has.
pub fn first_of_each_class(
    labels: &[u32],
    classes: usize,
    per_class: usize,
) -> Result<Vec<usize>, (usize, usize)> {
    let mut taken = vec![0; classes];
    let mut indices = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        if let Some(count) = taken.get_mut(*label as usize).filter(|count| **count < per_class) {
            *count += 1;
            indices.push(index);
        }
    }
    match taken.iter().position(|count| *count < per_class) {
        Some(class) => Err((class, taken[class])),
        None => Ok(indices),
    }
}
