//! Operations on projects.

use metal_model::v1::{
    ProjectCreateRequest, ProjectFindRequest, ProjectResponse, ProjectUpdateRequest, operation,
};

use crate::client::Client;
use crate::error::Error;

/// Operations on projects.
#[derive(Debug, Clone, Copy)]
pub struct Projects<'a> {
    client: &'a Client,
}

impl Client {
    /// Operations on projects.
    pub fn project(&self) -> Projects<'_> {
        Projects { client: self }
    }
}

impl Projects<'_> {
    /// All projects.
    pub async fn list(&self) -> Result<Vec<ProjectResponse>, Error> {
        self.client.request(&operation::LIST_PROJECTS).send().await
    }

    /// Projects that meet the criteria.
    pub async fn find(&self, request: &ProjectFindRequest) -> Result<Vec<ProjectResponse>, Error> {
        self.client.request(&operation::FIND_PROJECTS).body(request).send().await
    }

    /// One project.
    pub async fn get(&self, id: &str) -> Result<ProjectResponse, Error> {
        self.client.request(&operation::FIND_PROJECT).path(id).send().await
    }

    /// Creates a project.
    pub async fn create(&self, request: &ProjectCreateRequest) -> Result<ProjectResponse, Error> {
        self.client.request(&operation::CREATE_PROJECT).body(request).send().await
    }

    /// Changes a project.
    pub async fn update(&self, request: &ProjectUpdateRequest) -> Result<ProjectResponse, Error> {
        self.client.request(&operation::UPDATE_PROJECT).body(request).send().await
    }

    /// Deletes a project.
    pub async fn delete(&self, id: &str) -> Result<ProjectResponse, Error> {
        self.client.request(&operation::DELETE_PROJECT).path(id).send().await
    }
}
