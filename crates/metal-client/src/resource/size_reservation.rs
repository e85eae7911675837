//! Operations on size reservations.

use metal_model::v1::{
    SizeReservationCreateRequest, SizeReservationListRequest, SizeReservationResponse,
    SizeReservationUpdateRequest, SizeReservationUsageResponse, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Operations on size reservations.
#[derive(Debug, Clone, Copy)]
pub struct SizeReservations<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on size reservations.
    pub fn size_reservation(&self) -> SizeReservations<'_> {
        SizeReservations { client: self }
    }
}

impl SizeReservations<'_> {
    /// All reservations.
    pub async fn list(&self) -> Result<Vec<SizeReservationResponse>, Error> {
        self.client.request(&operation::LIST_SIZE_RESERVATIONS).send().await
    }

    /// Reservations that meet the criteria.
    pub async fn find(
        &self,
        request: &SizeReservationListRequest,
    ) -> Result<Vec<SizeReservationResponse>, Error> {
        self.client.request(&operation::FIND_SIZE_RESERVATIONS).body(request).send().await
    }

    /// One reservation.
    pub async fn get(&self, id: &str) -> Result<SizeReservationResponse, Error> {
        self.client.request(&operation::GET_SIZE_RESERVATION).path(id).send().await
    }

    /// Creates a reservation.
    pub async fn create(
        &self,
        request: &SizeReservationCreateRequest,
    ) -> Result<SizeReservationResponse, Error> {
        self.client.request(&operation::CREATE_SIZE_RESERVATION).body(request).send().await
    }

    /// Changes a reservation.
    pub async fn update(
        &self,
        request: &SizeReservationUpdateRequest,
    ) -> Result<SizeReservationResponse, Error> {
        self.client.request(&operation::UPDATE_SIZE_RESERVATION).body(request).send().await
    }

    /// Deletes a reservation.
    pub async fn delete(&self, id: &str) -> Result<SizeReservationResponse, Error> {
        self.client.request(&operation::DELETE_SIZE_RESERVATION).path(id).send().await
    }

    /// How much of reservations is used.
    pub async fn usage(
        &self,
        request: &SizeReservationListRequest,
    ) -> Result<Vec<SizeReservationUsageResponse>, Error> {
        self.client.request(&operation::SIZE_RESERVATIONS_USAGE).body(request).send().await
    }
}
