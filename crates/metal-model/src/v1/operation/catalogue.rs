//! Operations on what machines are made into: images, sizes, filesystem layouts, firmware.

use super::{Access, MULTIPART, Operation, QueryParam};

/// Lists all images.
pub const LIST_IMAGES: Operation = Operation::get("listImages", "/v1/image", Access::Member)
    .tag("image")
    .lists("v1.ImageResponse")
    .query(&[QueryParam::flag("show-usage")]);

/// Registers an image.
pub const CREATE_IMAGE: Operation = Operation::put("createImage", "/v1/image", Access::Admin)
    .tag("image")
    .takes("v1.ImageCreateRequest")
    .gives("v1.ImageResponse")
    .ok(&[201])
    .typed(&[409]);

/// Changes an image.
pub const UPDATE_IMAGE: Operation = Operation::post("updateImage", "/v1/image", Access::Admin)
    .tag("image")
    .takes("v1.ImageUpdateRequest")
    .gives("v1.ImageResponse")
    .typed(&[409]);

/// Searches images.
pub const FIND_IMAGES: Operation = Operation::post("findImages", "/v1/image/find", Access::View)
    .tag("image")
    .takes("v1.ImageFindRequest")
    .lists("v1.ImageResponse")
    .unaudited()
    .query(&[QueryParam::flag("show-usage")]);

/// Reads an image.
pub const FIND_IMAGE: Operation =
    Operation::get("findImage", "/v1/image/{id}", Access::Member).tag("image").gives("v1.ImageResponse");

/// Deletes an image.
pub const DELETE_IMAGE: Operation =
    Operation::delete("deleteImage", "/v1/image/{id}", Access::Admin).tag("image").gives("v1.ImageResponse");

/// Reads the newest image that matches.
pub const FIND_LATEST_IMAGE: Operation =
    Operation::get("findLatestImage", "/v1/image/{id}/latest", Access::Member)
        .tag("image")
        .gives("v1.ImageResponse");

/// Lists all images that match.
pub const QUERY_IMAGES_BY_ID: Operation =
    Operation::get("queryImages by id", "/v1/image/{id}/query", Access::Member)
        .tag("image")
        .lists("v1.ImageResponse");

/// Lists all sizes.
pub const LIST_SIZES: Operation =
    Operation::get("listSizes", "/v1/size", Access::Member).tag("size").lists("v1.SizeResponse");

/// Creates a size.
pub const CREATE_SIZE: Operation = Operation::put("createSize", "/v1/size", Access::Admin)
    .tag("size")
    .takes("v1.SizeCreateRequest")
    .gives("v1.SizeResponse")
    .ok(&[201])
    .typed(&[409]);

/// Changes a size.
pub const UPDATE_SIZE: Operation = Operation::post("updateSize", "/v1/size", Access::Admin)
    .tag("size")
    .takes("v1.SizeUpdateRequest")
    .gives("v1.SizeResponse")
    .typed(&[409]);

/// Lists all reservations.
pub const LIST_SIZE_RESERVATIONS: Operation =
    Operation::get("listSizeReservations", "/v1/size/reservations", Access::Member)
        .tag("size")
        .lists("v1.SizeReservationResponse");

/// Creates a reservation.
pub const CREATE_SIZE_RESERVATION: Operation =
    Operation::put("createSizeReservation", "/v1/size/reservations", Access::Edit)
        .tag("size")
        .takes("v1.SizeReservationCreateRequest")
        .gives("v1.SizeReservationResponse")
        .ok(&[201])
        .typed(&[409]);

/// Changes a reservation.
pub const UPDATE_SIZE_RESERVATION: Operation =
    Operation::post("updateSizeReservation", "/v1/size/reservations", Access::Edit)
        .tag("size")
        .takes("v1.SizeReservationUpdateRequest")
        .gives("v1.SizeReservationResponse")
        .typed(&[409]);

/// Suggests the constraints of a size from a machine's hardware.
pub const SUGGEST: Operation = Operation::post("suggest", "/v1/size/suggest", Access::Member)
    .tag("size")
    .takes("v1.SizeSuggestRequest")
    .lists("v1.SizeConstraint")
    .unaudited();

/// Reads a size.
pub const FIND_SIZE: Operation =
    Operation::get("findSize", "/v1/size/{id}", Access::Member).tag("size").gives("v1.SizeResponse");

/// Deletes a size.
pub const DELETE_SIZE: Operation =
    Operation::delete("deleteSize", "/v1/size/{id}", Access::Admin).tag("size").gives("v1.SizeResponse");

/// Searches reservations.
pub const FIND_SIZE_RESERVATIONS: Operation =
    Operation::post("findSizeReservations", "/v1/size/reservations/find", Access::Member)
        .tag("size")
        .takes("v1.SizeReservationListRequest")
        .lists("v1.SizeReservationResponse")
        .unaudited();

/// Tells how much of reservations is used.
pub const SIZE_RESERVATIONS_USAGE: Operation =
    Operation::post("sizeReservationsUsage", "/v1/size/reservations/usage", Access::Member)
        .tag("size")
        .takes("v1.SizeReservationListRequest")
        .lists("v1.SizeReservationUsageResponse")
        .unaudited();

/// Reads a reservation.
pub const GET_SIZE_RESERVATION: Operation =
    Operation::get("getSizeReservation", "/v1/size/reservations/{id}", Access::Member)
        .tag("size")
        .gives("v1.SizeReservationResponse");

/// Deletes a reservation.
pub const DELETE_SIZE_RESERVATION: Operation =
    Operation::delete("deleteSizeReservation", "/v1/size/reservations/{id}", Access::Edit)
        .tag("size")
        .gives("v1.SizeReservationResponse");

/// Lists all constraints of sizes on images.
pub const LIST_SIZE_IMAGE_CONSTRAINTS: Operation =
    Operation::get("listSizeImageConstraints", "/v1/size-image-constraint", Access::Member)
        .tag("size-image-constraint")
        .lists("v1.SizeImageConstraintResponse");

/// Creates a constraint.
pub const CREATE_SIZE_IMAGE_CONSTRAINT: Operation =
    Operation::put("createSizeImageConstraint", "/v1/size-image-constraint", Access::Admin)
        .tag("size-image-constraint")
        .takes("v1.SizeImageConstraintCreateRequest")
        .gives("v1.SizeImageConstraintResponse")
        .ok(&[201])
        .typed(&[409]);

/// Changes a constraint.
pub const UPDATE_SIZE_IMAGE_CONSTRAINT: Operation =
    Operation::post("updateSizeImageConstraint", "/v1/size-image-constraint", Access::Admin)
        .tag("size-image-constraint")
        .takes("v1.SizeImageConstraintUpdateRequest")
        .gives("v1.SizeImageConstraintResponse")
        .typed(&[409]);

/// Tells whether an image may run on a size.
pub const TRY_SIZE_IMAGE_CONSTRAINT: Operation =
    Operation::post("trySizeImageConstraint", "/v1/size-image-constraint/try", Access::Admin)
        .tag("size-image-constraint")
        .takes("v1.SizeImageConstraintTryRequest")
        .gives("v1.EmptyBody")
        .unaudited();

/// Reads a constraint.
pub const FIND_SIZE_IMAGE_CONSTRAINT: Operation =
    Operation::get("findSizeImageConstraint", "/v1/size-image-constraint/{id}", Access::Member)
        .tag("size-image-constraint")
        .gives("v1.SizeImageConstraintResponse");

/// Deletes a constraint.
pub const DELETE_SIZE_IMAGE_CONSTRAINT: Operation =
    Operation::delete("deleteSizeImageConstraint", "/v1/size-image-constraint/{id}", Access::Admin)
        .tag("size-image-constraint")
        .gives("v1.SizeImageConstraintResponse");

/// Lists all filesystem layouts.
pub const LIST_FILESYSTEM_LAYOUTS: Operation =
    Operation::get("listFilesystemLayouts", "/v1/filesystemlayout", Access::View)
        .tag("filesystemlayout")
        .lists("v1.FilesystemLayoutResponse");

/// Creates a layout.
pub const CREATE_FILESYSTEM_LAYOUT: Operation =
    Operation::put("createFilesystemLayout", "/v1/filesystemlayout", Access::Admin)
        .tag("filesystemlayout")
        .takes("v1.FilesystemLayoutCreateRequest")
        .gives("v1.FilesystemLayoutResponse")
        .ok(&[201])
        .typed(&[409]);

/// Replaces a layout.
pub const UPDATE_FILESYSTEM_LAYOUT: Operation =
    Operation::post("updateFilesystemLayout", "/v1/filesystemlayout", Access::Admin)
        .tag("filesystemlayout")
        .takes("v1.FilesystemLayoutUpdateRequest")
        .gives("v1.FilesystemLayoutResponse")
        .typed(&[409]);

/// Tells whether a layout fits a machine.
pub const MATCH_FILESYSTEM_LAYOUT: Operation =
    Operation::post("matchFilesystemLayout", "/v1/filesystemlayout/matches", Access::Admin)
        .tag("filesystemlayout")
        .takes("v1.FilesystemLayoutMatchRequest")
        .gives("v1.FilesystemLayoutResponse")
        .unaudited();

/// Tells which layout a size and an image get.
pub const TRY_FILESYSTEM_LAYOUT: Operation =
    Operation::post("tryFilesystemLayout", "/v1/filesystemlayout/try", Access::Admin)
        .tag("filesystemlayout")
        .takes("v1.FilesystemLayoutTryRequest")
        .gives("v1.FilesystemLayoutResponse")
        .unaudited();

/// Reads a layout.
pub const GET_FILESYSTEM_LAYOUT: Operation =
    Operation::get("getFilesystemLayout", "/v1/filesystemlayout/{id}", Access::View)
        .tag("filesystemlayout")
        .gives("v1.FilesystemLayoutResponse");

/// Deletes a layout.
pub const DELETE_FILESYSTEM_LAYOUT: Operation =
    Operation::delete("deleteFilesystemLayout", "/v1/filesystemlayout/{id}", Access::Admin)
        .tag("filesystemlayout")
        .gives("v1.FilesystemLayoutResponse");

/// Lists firmware.
pub const LIST_FIRMWARES: Operation = Operation::get("listFirmwares", "/v1/firmware", Access::Admin)
    .tag("firmware")
    .gives("v1.FirmwaresResponse")
    .query(&[
        QueryParam::text("machine-id"),
        QueryParam::text("kind"),
        QueryParam::text("vendor"),
        QueryParam::text("board"),
    ]);

/// Uploads firmware.
pub const UPLOAD_FIRMWARE: Operation =
    Operation::put("uploadFirmware", "/v1/firmware/{kind}/{vendor}/{board}/{revision}", Access::Admin)
        .tag("firmware")
        .takes(MULTIPART);

/// Deletes firmware.
pub const REMOVE_FIRMWARE: Operation =
    Operation::delete("removeFirmware", "/v1/firmware/{kind}/{vendor}/{board}/{revision}", Access::Admin)
        .tag("firmware")
        .takes("v1.EmptyBody");
