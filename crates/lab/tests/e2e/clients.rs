//! Clients that nobody here wrote, unmodified, each in the situations of [`situation`].

mod azure_identities;
mod azure_node;
mod azure_python;
mod curl;
mod opentelemetry;
mod python_http;
mod session;
mod situation;
mod token;
pub(crate) mod tool;

/// Makes the tests of one client.
macro_rules! situations {
    ($client:expr) => {
        #[test]
        fn is_served_under_a_profile_that_names_it() {
            $client.is_served();
        }

        #[test]
        fn is_told_soon_that_the_profile_names_another_program() {
            $client.is_refused();
        }

        #[test]
        fn is_served_again_after_a_restart_of_the_agent() {
            $client.is_served_again_after_a_restart();
        }
    };
}
use situations;
