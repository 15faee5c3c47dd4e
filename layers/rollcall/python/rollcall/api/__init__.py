"""The admin API as a whole: routes of all capabilities, who may call them, errors, pages, the OpenAPI document."""
