//! Lists whose items are not all what they should be.

use crate::error::{ErrorKind, Result, fail};

/// What can be made of the items of a list: `read` answers `None` for what cannot be addressed (it has no id), which is
/// left out, with one line in the log. Errors: `Protocol` when there are items and none is usable: that is another list
/// than the one asked for, and must not look as if everything had been removed.
pub fn usable<I, T>(items: impl IntoIterator<Item = I>, read: impl Fn(I) -> Option<T>) -> Result<Vec<T>> {
    let mut count = 0_usize;
    let usable: Vec<T> = items.into_iter().inspect(|_| count += 1).filter_map(read).collect();
    match count - usable.len() {
        0 => {}
        bad if bad == count => {
            return fail(ErrorKind::Protocol, "no item of the service's list can be understood: none has an id");
        }
        bad => log::warn!("{bad} of {count} items in a list cannot be understood and are left out"),
    }
    Ok(usable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_items_are_left_out_unless_all_are_bad() {
        let read = |n: i32| (n > 0).then_some(n);
        assert_eq!(usable([1, -1, 2], read).unwrap(), [1, 2]);
        assert_eq!(usable([], read).unwrap(), [0; 0]);
        assert_eq!(usable([-1, -2], read).unwrap_err().kind(), ErrorKind::Protocol);
    }
}
