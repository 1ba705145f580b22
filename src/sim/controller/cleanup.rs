//! What a Service leaves behind when it goes: its frontend, its Private Link Service, its address.

use super::azure::CloudError;
use super::cloud::Cloud;
use super::frontend;
use super::load_balancer::Pass;
use super::service::Service;

impl Cloud {
    /// True if anything was made for a Service. If nothing was, its finalizer just goes.
    pub(crate) async fn has_load_balancer(&self, service: &Service) -> Result<bool, CloudError> {
        Ok(self.has_frontend(service).await?
            || self.has_public_address(service).await?
            || self.has_frontend(&service.flipped()).await?)
    }

    async fn has_frontend(&self, service: &Service) -> Result<bool, CloudError> {
        let balancer = self.balancer_of(service).await?;
        Ok(balancer.is_some_and(|balancer| !frontend::owned(&balancer, service).is_empty()))
    }

    /// Takes a Service off its load balancer and off the one on the other side.
    pub(crate) async fn delete(&self, service: &Service) -> Result<(), CloudError> {
        match self.delete_parts(service).await {
            // What may not be seen or is not there counts as gone, so things may leak, as with the real one.
            Err(error) if matches!(error.status, Some(403 | 404)) => {
                tracing::warn!(service = service.key(), %error, "the clean-up was given up");
                Ok(())
            }
            result => result,
        }
    }

    async fn delete_parts(&self, service: &Service) -> Result<(), CloudError> {
        if let Some(balancer) = self.balancer_of(service).await? {
            self.close_security_group(service, &balancer).await?;
        }
        if let Pass::LinkServiceDeleted = self.pass(service, false).await? {
            self.pass(service, false).await?;
        }
        self.delete_other_side(service).await?;
        self.tidy_public_addresses(service, false).await
    }

    /// Cleans the load balancer that a Service was on before it became internal or public. One pass only: if that deletes a
    /// Private Link Service, the frontend stays until the next sync.
    pub(crate) async fn delete_other_side(&self, service: &Service) -> Result<(), CloudError> {
        self.pass(&service.flipped(), false).await.map(drop)
    }
}
