//! What every provider must do, said once and run against every service: over HTTP, against the embedded demo service.
//!
//! A service registers with a file of its own: where its work directory is, and the statements about its peculiarities.
//! Which of the common statements apply is decided by what the provider says it can do.

mod basecamp;
mod bench;
mod changing;
mod creating;
mod faults;
mod hostile;
mod imeet_central;
mod listing;
mod medable;
mod oracle_content;
mod reading;
mod real_redmine;
mod redmine;
#[path = "../support/redmine.rs"]
mod redmine_server;
mod revising;
mod rillsoft;

/// Runs every common statement for one service.
macro_rules! behaves_like_a_provider {
    ($registered:expr) => {
        $crate::statements! { $registered;
            listing::the_root_shows_the_projects
            listing::a_directory_lists_files_with_sizes_and_revisions
            listing::an_empty_directory_lists_nothing
            listing::a_listing_of_many_pages_is_whole_and_without_doubles
            listing::a_listing_costs_no_request_per_file
            listing::names_of_any_script_survive
            listing::equal_names_stay_apart
            listing::one_thing_has_one_id_wherever_it_is_seen
            listing::what_is_gone_is_not_found
            listing::many_directories_are_listed_at_once
            reading::a_file_is_read_whole
            reading::an_empty_file_is_read
            reading::a_part_of_a_file_is_read
            reading::a_service_without_ranges_sends_the_whole
            reading::a_redirected_download_arrives
            reading::old_versions_are_listed_and_read
            reading::what_is_gone_cannot_be_read
            reading::content_that_changed_is_never_passed_off_as_the_old_one
            creating::a_created_file_has_its_bytes_and_its_name
            creating::an_empty_file_is_created
            creating::a_large_file_is_created
            creating::names_that_need_escaping_arrive_as_they_are
            creating::a_batch_creates_each_file_once
            creating::an_asset_gets_the_name_it_is_attached_by_or_says_which
            creating::one_bad_asset_does_not_spoil_the_batch
            creating::nothing_is_created_in_a_directory_that_is_gone
            creating::a_name_the_service_refuses_is_not_even_sent
            revising::a_revision_keeps_the_file_and_adds_one_version
            revising::the_revision_told_is_the_revision_listed
            revising::a_file_that_is_gone_is_not_revised
            revising::a_locked_file_is_not_revised
            changing::directories_are_made_and_nested
            changing::a_file_is_renamed_and_stays_the_same_file
            changing::a_directory_is_renamed_with_what_it_holds
            changing::a_file_is_moved_and_stays_the_same_file
            changing::a_file_is_moved_and_renamed_at_once
            changing::a_removed_file_goes_to_the_trash
            changing::an_empty_directory_is_removed
            changing::removing_what_is_gone_is_not_found
            changing::a_description_is_set
            faults::a_busy_service_is_waited_for
            faults::reading_calls_survive_a_passing_failure
            faults::a_download_that_breaks_off_never_looks_complete
            faults::a_change_refused_for_a_moment_happens_once
            faults::a_lost_answer_to_a_change_is_found_out
            faults::an_unreadable_answer_to_a_change_is_found_out
            faults::a_change_that_never_arrived_is_found_out
            faults::a_revision_overtaken_by_somebody_else_is_found_in_the_history
            faults::a_broken_upload_leaves_nothing_behind
            faults::a_service_that_hangs_is_given_up
            faults::revoked_tokens_are_renewed_once_for_everybody
            faults::a_service_that_is_gone_is_offline
            hostile::nonsense_in_answers_is_an_error_and_no_crash
            hostile::a_page_is_no_success_of_a_change
            hostile::a_list_with_an_unreadable_page_is_no_shorter_list
            hostile::lists_without_end_end
            hostile::a_sign_in_page_is_no_content
        }
    };
}

/// Makes a test of each statement.
macro_rules! statements {
    ($registered:expr; $($module:ident::$statement:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $statement() {
            $crate::bench::within_deadline($crate::$module::$statement(&$registered)).await;
        })*
    };
}

use {behaves_like_a_provider, statements};
