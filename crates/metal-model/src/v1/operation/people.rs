//! Operations on projects, tenants, users and on the service itself.

use super::{Access, Operation, QueryParam};

/// Lists all projects.
pub const LIST_PROJECTS: Operation =
    Operation::get("listProjects", "/v1/project", Access::View).tag("project").lists("v1.ProjectResponse");

/// Creates a project.
pub const CREATE_PROJECT: Operation = Operation::put("createProject", "/v1/project", Access::Admin)
    .tag("project")
    .takes("v1.ProjectCreateRequest")
    .gives("v1.ProjectResponse")
    .ok(&[201])
    .typed(&[409]);

/// Changes a project.
pub const UPDATE_PROJECT: Operation = Operation::post("updateProject", "/v1/project", Access::Admin)
    .tag("project")
    .takes("v1.ProjectUpdateRequest")
    .gives("v1.ProjectResponse")
    .typed(&[412]);

/// Searches projects.
pub const FIND_PROJECTS: Operation = Operation::post("findProjects", "/v1/project/find", Access::View)
    .tag("project")
    .takes("v1.ProjectFindRequest")
    .lists("v1.ProjectResponse")
    .unaudited();

/// Reads a project.
pub const FIND_PROJECT: Operation = Operation::get("findProject", "/v1/project/{id}", Access::View)
    .tag("project")
    .gives("v1.ProjectResponse");

/// Deletes a project.
pub const DELETE_PROJECT: Operation = Operation::delete("deleteProject", "/v1/project/{id}", Access::Admin)
    .tag("project")
    .gives("v1.ProjectResponse");

/// Lists all tenants.
pub const LIST_TENANTS: Operation =
    Operation::get("listTenants", "/v1/tenant", Access::View).tag("tenant").lists("v1.TenantResponse");

/// Creates a tenant.
pub const CREATE_TENANT: Operation = Operation::put("createTenant", "/v1/tenant", Access::Admin)
    .tag("tenant")
    .takes("v1.TenantCreateRequest")
    .gives("v1.TenantResponse")
    .ok(&[201])
    .typed(&[409]);

/// Changes a tenant.
pub const UPDATE_TENANT: Operation = Operation::post("updateTenant", "/v1/tenant", Access::Admin)
    .tag("tenant")
    .takes("v1.TenantUpdateRequest")
    .gives("v1.TenantResponse")
    .typed(&[412]);

/// Searches tenants.
pub const FIND_TENANTS: Operation = Operation::post("findTenants", "/v1/tenant/find", Access::View)
    .tag("tenant")
    .takes("v1.TenantFindRequest")
    .lists("v1.TenantResponse")
    .unaudited();

/// Reads a tenant.
pub const GET_TENANT: Operation =
    Operation::get("getTenant", "/v1/tenant/{id}", Access::View).tag("tenant").gives("v1.TenantResponse");

/// Deletes a tenant.
pub const DELETE_TENANT: Operation = Operation::delete("deleteTenant", "/v1/tenant/{id}", Access::Admin)
    .tag("tenant")
    .gives("v1.TenantResponse");

/// Searches the audit log.
pub const FIND_AUDIT_TRACES: Operation = Operation::post("findAuditTraces", "/v1/audit/find", Access::View)
    .tag("audit")
    .takes("v1.AuditFindRequest")
    .lists("v1.AuditResponse")
    .unaudited();

/// Makes a key for the management VPN.
pub const GET_VPN_AUTH_KEY: Operation = Operation::post("getVPNAuthKey", "/v1/vpn/authkey", Access::Admin)
    .tag("vpn")
    .takes("v1.VPNRequest")
    .gives("v1.VPNResponse");

/// Tells who is asking.
pub const GET_ME: Operation =
    Operation::get("getMe", "/v1/user/me", Access::View).tag("user").gives("v1.User");

/// Tells whether the service works.
pub const HEALTH: Operation = Operation::get("health", "/v1/health", Access::Open)
    .tag("health")
    .gives("rest.HealthResponse")
    .ok(&[200, 500])
    .query(&[QueryParam::text("service")]);

/// Tells which version is running.
pub const INFO: Operation =
    Operation::get("info", "/v1/version", Access::Open).tag("version").gives("rest.version");
