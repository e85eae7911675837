//! No two layouts may claim the same size and image: the choice among them would be arbitrary.

use metal_model::v1::FilesystemLayoutResponse;

use crate::version::Expression;
use crate::{Error, Snapshot};

/// Refuses (400) a layout that collides with a stored one. Layouts for no size and no image, as used in development
/// by naming them, collide with nothing.
pub(super) fn check(snapshot: &Snapshot, layout: &FilesystemLayoutResponse) -> Result<(), Error> {
    let wanted = &layout.constraints;
    if wanted.sizes.is_empty() && wanted.images.is_empty() {
        return Ok(());
    }
    for other in snapshot.filesystem_layouts.iter().filter(|other| other.id != *layout.id) {
        let taken = &other.layout.constraints;
        let Some(size) = wanted.sizes.iter().find(|size| taken.sizes.contains(size)) else { continue };
        for (os, left) in &wanted.images {
            let Some(right) = taken.images.get(os) else { continue };
            if collide(left, right) {
                return Err(Error::invalid(
                    "constraints",
                    format!(
                        "{left:?} for {os} on size {size:?} collides with {right:?} of filesystem layout {:?}",
                        other.id
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Two expressions collide when one of them takes everything, or each accepts the version the other starts from.
fn collide(left: &str, right: &str) -> bool {
    let (Ok(a), Ok(b)) = (Expression::parse(left), Expression::parse(right)) else { return false };
    match (a.version(), b.version()) {
        (Some(of_a), Some(of_b)) => a != b && a.accepts(of_b) && b.accepts(of_a),
        _ => true,
    }
}
